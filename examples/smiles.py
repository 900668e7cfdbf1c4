"""Who begins to smile, as it happens: a video or camera that is never late, and a stage of one's own.

python examples/smiles.py talk.mp4    (- for the first camera)
"""

import asyncio
import sys
from collections.abc import Sequence

import ferkern as fk


def light(frame: fk.video.Frame, faces: Sequence[fk.video.VideoFace]) -> float:
    """How bright the frame is, 0..1."""
    return float(frame.grey(frame.luma[::8, ::8]).mean()) / 255


async def main() -> None:
    smiling: set[int] = set()
    async with fk.video.open(sys.argv[1], drop="latest", stages=[light]) as video:
        async for result in video:
            now = {face.id for face in result.faces if face.smile is not None and face.smile > 0.5}
            for face in sorted(now - smiling):
                print(f"{result.time:7.2f} s: face {face} smiles; light {result.extra['light']:.2f}")
            smiling = now
    print(f"{video.report.results} frames watched, {video.report.dropped} left out to stay in time")


asyncio.run(main())
