"""The explorer page: its document, what of a large model goes into it, and the HTML."""
