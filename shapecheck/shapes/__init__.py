"""What both halves speak: Dim, Axis, Shape, Facts, Trace. Standard library only."""
