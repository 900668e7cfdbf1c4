"""One photograph: the faces, what they express, and the annotated picture.

python examples/photo.py photo.jpg annotated.png
"""

import sys

import ferkern as fk
from ferkern import draw, pictures

source, target = sys.argv[1:3]
picture = pictures.read(source)
faces = fk.recognize(picture)
for face in faces:
    x, y, width, height = face.box
    print(f"{face.emotion:9} {face.probabilities[face.emotion]:4.0%}  at {x:.0f}, {y:.0f}, {width:.0f} x {height:.0f}")
draw.annotate(picture, faces).save(target)
