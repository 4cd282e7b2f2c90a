"""Weights from and to other libraries: Keras, TensorFlow 1, flax, haste and ONNX."""

from .flax import from_flax as from_flax
from .flax import to_flax as to_flax
from .haste import from_haste as from_haste
from .haste import to_haste as to_haste
from .keras import from_keras as from_keras
from .keras import to_keras as to_keras
from .onnx_read import OnnxNode as OnnxNode
from .onnx_read import from_onnx as from_onnx
from .onnx_write import to_onnx as to_onnx
from .tf1 import from_tf1 as from_tf1
from .tf1 import to_tf1 as to_tf1
