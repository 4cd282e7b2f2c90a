"""What pictures are drawn with: a sheet, cells, arrows, charts, and the checks of what users ask for."""
