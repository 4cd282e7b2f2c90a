"""Initialisers: how each parameter is drawn, one tensor at a time or a whole layer by a named scheme."""

from .base import Initialiser as Initialiser
from .distributions import constant as constant
from .distributions import glorot_normal as glorot_normal
from .distributions import glorot_uniform as glorot_uniform
from .distributions import he_normal as he_normal
from .distributions import he_uniform as he_uniform
from .distributions import orthogonal as orthogonal
from .distributions import truncated_normal as truncated_normal
from .distributions import uniform as uniform
from .distributions import wide_uniform as wide_uniform
from .files import from_file as from_file
from .schemes import Scheme as Scheme
from .schemes import init_chrono as init_chrono
from .schemes import init_keras as init_keras
from .schemes import init_torch as init_torch
from .schemes import set_forget_bias as set_forget_bias
