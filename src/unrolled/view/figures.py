"""Figures for print, screen and page, in matplotlib; each function returns the Figure."""

from __future__ import annotations

from unrolled.view.forecast_figure import forecast as forecast
