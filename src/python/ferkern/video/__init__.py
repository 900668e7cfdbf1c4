"""Video: faces followed from frame to frame (`track`)."""
