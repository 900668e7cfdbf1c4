"""How each op is launched on a device; the op's own file alone knows its tuning parameters."""
