"""Numbers worth drawing: what happens inside the recurrent layers of a model, and what it means."""

from .attribution import integrated_gradients as integrated_gradients
from .attribution import occlusion as occlusion
from .clamping import clamp as clamp
from .describing import describe as describe
from .gates import contributions as contributions
from .gates import memory_length as memory_length
from .gates import saturation as saturation
from .gradients import gradient_flow as gradient_flow
from .gradients import sensitivity as sensitivity
from .head import find_head as find_head
from .model_blocks import blocks as blocks
from .principal import hidden_pca as hidden_pca
from .recording import record as record
