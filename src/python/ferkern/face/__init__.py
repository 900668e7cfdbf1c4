"""Faces: where they are (`detect`), what they express (`expression`), and both in one call (`pipeline`)."""
