"""Recurrent layers taken apart into matrix products, step by step, so that their weights are weights like others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import ATEN

CellFunction = Callable[..., Any]


def _gates(x: Tensor, h: Tensor, w: tuple[Tensor, Tensor], b: tuple[Tensor | None, Tensor | None]) -> Tensor:
    return ATEN.linear.default(x, w[0], b[0]) + ATEN.linear.default(h, w[1], b[1])


def _lstm_cell(
    x: Tensor, hx: list[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gates in the order of `torch.nn.LSTMCell`: input, forget, cell, output."""
    h, c = hx
    i, f, g, o = _gates(x, h, (w_ih, w_hh), (b_ih, b_hh)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_cell(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """Gates in the order of `torch.nn.GRUCell`: reset, update, new."""
    r, z, n = ATEN.linear.default(x, w_ih, b_ih).chunk(3, 1)
    hr, hz, hn = ATEN.linear.default(h, w_hh, b_hh).chunk(3, 1)
    new, update = (n + (r + hr).sigmoid() * hn).tanh(), (z + hz).sigmoid()
    return new + update * (h - new)


def _rnn_cell(activation: Callable[[Tensor], Tensor]) -> CellFunction:
    def cell(
        x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
    ) -> Tensor:
        return activation(_gates(x, h, (w_ih, w_hh), (b_ih, b_hh)))

    return cell


_CELLS: dict[Any, CellFunction] = {
    ATEN.lstm_cell.default: _lstm_cell,
    ATEN.gru_cell.default: _gru_cell,
    ATEN.rnn_tanh_cell.default: _rnn_cell(torch.tanh),
    ATEN.rnn_relu_cell.default: _rnn_cell(torch.relu),
}
_LAYERS = (ATEN.lstm.input, ATEN.gru.input, ATEN.rnn_tanh.input, ATEN.rnn_relu.input)  # torch has these apart


def taken_apart(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with matrix products in place of recurrent layers and cells."""
    found = {node.target for node in program.graph.nodes}
    layers: list[Any] = [target for target in _LAYERS if target in found]
    table = {**torch._decomp.get_decompositions(layers), **{t: cell for t, cell in _CELLS.items() if t in found}}
    return program.run_decompositions(table) if table else program
