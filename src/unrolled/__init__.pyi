from .errors import UnrolledError as UnrolledError
