"""How attention and the rest of a layer are computed: settled once, by trying."""

import signal
import time
from collections.abc import Callable

import torch
from distilling.clock import say
from distilling.rows import Row
from torch import Tensor
from torch.nn import functional


def attend_padded(query: Tensor, key: Tensor, value: Tensor, row: Row, *, first_only: bool) -> Tensor:
    """The same by padding, where there is no kernel for packed rows."""
    count = len(row.bounds) - 1
    wide = [
        torch.zeros(count, row.longest, 12, 32, device=key.device, dtype=key.dtype)
        .index_put((row.sequence, row.place), part)
        .transpose(1, 2)
        for part in (key, value)
    ]
    seen = (
        torch.arange(row.longest, device=key.device)[None, None, None]
        < (row.bounds[1:] - row.bounds[:-1])[:, None, None, None]
    )
    if first_only:
        return functional.scaled_dot_product_attention(query[:, :, None], *wide, seen)[:, :, 0]
    asked = torch.zeros_like(wide[0].transpose(1, 2)).index_put((row.sequence, row.place), query).transpose(1, 2)
    found = functional.scaled_dot_product_attention(asked, *wide, seen.expand(-1, 1, row.longest, -1))
    return found.transpose(1, 2)[row.sequence, row.place]


def attend_packed(query: Tensor, key: Tensor, value: Tensor, row: Row, *, first_only: bool) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - not in every build

    asking = torch.arange(len(row.bounds), device=key.device, dtype=torch.int32) if first_only else row.bounds
    return varlen_attn(query, key, value, asking, row.bounds, 1 if first_only else row.longest, row.longest)


def after_attention(context: Tensor, x: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """The rest of a layer."""
    out, out_bias, scale, shift, inner, inner_bias, outer, outer_bias, last_scale, last_shift = weights
    x = functional.layer_norm(functional.linear(context, out, out_bias) + x, (384,), scale, shift, 1e-12)
    grown = functional.gelu(functional.linear(x, inner, inner_bias))
    return functional.layer_norm(functional.linear(grown, outer, outer_bias) + x, (384,), last_scale, last_shift, 1e-12)


class Kernels:
    """How attention and the rest of a layer are computed: settled once, by trying."""

    def __init__(self, device: str, tokens: int) -> None:
        self.device, self.tokens = device, tokens
        self.train_dtype, self.read_dtype = (
            (torch.bfloat16, torch.float16) if device == "cuda" else (torch.float32, torch.float32)
        )
        self.attend: Callable[..., Tensor] = attend_padded
        self.rest: Callable[..., Tensor] = after_attention

    def settle(self, *, compiled: bool) -> None:
        if self.device == "cuda":
            try:
                self.try_packed()
            except Exception as error:  # noqa: BLE001 - whatever it is, a slower way is left
                say("packed attention failed, padded instead:", type(error).__name__, str(error)[:300])
        if compiled:
            eager = self.time_layer(after_attention)
            signal.signal(signal.SIGALRM, out_of_time)
            signal.alarm(60)
            try:
                fused = torch.compile(after_attention, dynamic=False)
                begin = time.monotonic()
                faster = self.time_layer(fused)
                self.time_layer(fused, self.read_dtype)
                say(f"rest of a layer, both passes: eager {eager:.2f} ms, compiled {faster:.2f} ms")
                say(f"compiling took {time.monotonic() - begin:.1f} s")
                if faster < eager:
                    self.rest = fused
            except Exception as error:  # noqa: BLE001 - as above
                say("compiling failed, eager instead:", type(error).__name__, str(error)[:300])
            finally:
                signal.alarm(0)

    def try_packed(self) -> None:
        """Against the padded way, both passes."""
        torch.manual_seed(1)
        lengths = torch.tensor([5, 130, 64, 1, 288, 24], device=self.device)
        total = int(lengths.sum())
        bounds = functional.pad(torch.cumsum(lengths, 0), (1, 0))
        sequence = torch.repeat_interleave(torch.arange(len(lengths), device=self.device), lengths)
        place = torch.arange(total, device=self.device) - bounds[sequence]
        row = Row(place, place, place, sequence, bounds.int(), 288, 0, 6)
        for first_only in (False, True):
            for dtype in (self.train_dtype, self.read_dtype):
                made = torch.randn(total, 3, 12, 32, device=self.device, dtype=dtype)
                results = []
                for way in (attend_packed, attend_padded):
                    q, k, v = made.clone().requires_grad_().unbind(1)
                    leaves = (q, k, v)
                    for leaf in leaves:
                        leaf.retain_grad()
                    asked = q[row.bounds[:-1].long()] if first_only else q
                    found = way(asked, k, v, row, first_only=first_only)
                    (found.float() * torch.linspace(-1, 1, 32, device=self.device)).sum().backward()
                    results.append([found.detach().float(), *(leaf.grad.float() for leaf in leaves)])
                worst = max(
                    float((a - b).abs().max() / b.abs().max().clamp(min=1e-3)) for a, b in zip(*results, strict=True)
                )
                if not worst < 0.05:
                    raise ArithmeticError(f"off by {worst}")
        say(f"packed attention agrees with padded (last: {worst:.4f})")
        self.attend = attend_packed

    def time_layer(self, rest: Callable[..., Tensor], dtype: torch.dtype | None = None) -> float:
        """Milliseconds of both passes; of reading alone where a type is given."""
        kind, grad = dtype or self.train_dtype, dtype is None
        shapes = ((384, 384), (384,), (384,), (384,), (1536, 384), (1536,), (384, 1536), (384,), (384,), (384,))
        weights = tuple(
            (torch.randn(*shape, device=self.device, dtype=torch.float32) * 0.02).requires_grad_(grad)
            for shape in shapes
        )
        context, x = (
            torch.randn(self.tokens, 384, device=self.device, dtype=kind).requires_grad_(grad) for _ in range(2)
        )
        for number in range(8):
            if number == 3:
                self.wait()
                begin = time.monotonic()
            with torch.set_grad_enabled(grad):
                out = rest(context, x, tuple(weight.to(kind) for weight in weights))
            if grad:
                out.backward(torch.ones_like(out))
        self.wait()
        return (time.monotonic() - begin) / 5 * 1000

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def out_of_time(*_: object) -> None:
    raise TimeoutError("took too long")
