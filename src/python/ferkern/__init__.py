"""ferkern: fast native kernels for facial-expression networks and the face pipeline around them."""
