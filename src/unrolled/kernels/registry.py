"""The kernels in order of preference, and the choice among them, which can be asked for its reasons."""

from __future__ import annotations

from typing import Final

from unrolled.errors import ConfigError, KernelError, did_you_mean
from unrolled.kernels.kernel import Call, Kernel
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.onnx_kernel import OnnxKernel, is_exporting
from unrolled.kernels.reference import ReferenceKernel
from unrolled.kernels.torch_kernel import TorchKernel

KERNELS: Final[tuple[Kernel, ...]] = (NativeKernel(), TorchKernel(), ReferenceKernel())
"""Every kernel, the preferred first."""

_EXPORTED: Final = (OnnxKernel(), *KERNELS)
"""Those of a layer that is being exported to ONNX; the first is none that a user could choose at any other time."""


def kernel_names() -> tuple[str, ...]:
    """The names that a layer's `kernel=` accepts."""
    return ("auto", *(kernel.name for kernel in KERNELS))


def kernel_problem(name: object) -> str | None:
    """Say what is wrong with `kernel=name`; None when it is one of `kernel_names`."""
    if name in kernel_names():
        return None
    hint = did_you_mean(name, kernel_names()) if isinstance(name, str) else ""
    return f"kernel must be one of {', '.join(map(repr, kernel_names()))}; got {name!r}.{hint}"


def explain(call: Call) -> dict[str, str]:
    """Each kernel's verdict on `call`, in order of preference: "yes" or the reason why not."""
    return {kernel.name: kernel.verdict(call) for kernel in KERNELS}


def choose(call: Call, name: str = "auto") -> Kernel:
    """Return the first kernel that can run `call`, or the one chosen by `name`.

    Raises:
        KernelError: The kernel chosen by name cannot run this call; the message has the reason.
        ConfigError: There is no kernel of that name.
    """
    if problem := kernel_problem(name):
        raise ConfigError(problem)
    reasons = []
    for kernel in _EXPORTED if is_exporting() else KERNELS:
        if name in ("auto", kernel.name):
            verdict = kernel.verdict(call)
            if verdict == "yes":
                return kernel
            reasons.append(verdict)
    advice = "Pass kernel='auto' to let another one run it." if name != "auto" else "Change one of the two."
    raise KernelError(f"kernel={name!r} cannot run this {call.cell.name} call: {'; '.join(reasons)}. {advice}")
