"""Which network the settings name."""

from __future__ import annotations

from collections.abc import Callable

from unrolled.forecast.config import Config
from unrolled.forecast.inputs import PLAIN, Layout
from unrolled.forecast.networks.base import Network
from unrolled.forecast.networks.deepar import DeepAR
from unrolled.forecast.networks.revin import RevIN
from unrolled.forecast.networks.segments import Segments
from unrolled.forecast.networks.seq2seq import Seq2Seq
from unrolled.forecast.networks.steps import Direct, Recursive


def _steps(config: Config, layout: Layout) -> Network:
    return Direct(config, layout) if config.decoder == "direct" else Recursive(config, layout)


NETWORKS: dict[str, Callable[[Config, Layout], Network]] = {
    "steps": _steps,
    "segments": Segments,
    "seq2seq": Seq2Seq,
    "deepar": DeepAR,
}


def build(config: Config, layout: Layout = PLAIN) -> Network:
    """Make the network that resolved settings describe, with fresh weights from PyTorch's generator."""
    network = NETWORKS[config.network](config, layout)
    if config.scaling == "revin":
        network = RevIN(network, config, layout)
    return network.to(config.device)
