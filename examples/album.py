"""A folder of photographs: how often each expression is seen, and the pictures with the broadest smiles.

python examples/album.py holiday/
"""

import sys
from collections import Counter
from pathlib import Path

import ferkern as fk
from ferkern import pictures

recognizer = fk.Recognizer()  # loaded and planned once
counts: Counter[str] = Counter()
smiles: list[tuple[float, Path]] = []
for done in recognizer.stream(pictures.find(Path(sys.argv[1]))):
    if done.error:  # damaged, or no picture: the message says which and why
        print(done.error, file=sys.stderr)
        continue
    counts.update(face.emotion for face in done.faces)
    smiles += [(face.probabilities["happy"], done.source) for face in done.faces]

for emotion, count in counts.most_common():
    print(f"{emotion:9} {count:5}")
for probability, path in sorted(smiles, reverse=True)[:3]:
    print(f"happy {probability:4.0%}  {path}")
