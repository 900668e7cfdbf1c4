"""``ferkern demo``: the whole pipeline on portraits that come with installed packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ferkern.cli.output import messages, pip_install, results

__all__ = ["demo", "portraits"]


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the annotated picture is written (.png or .jpg).")
    ] = Path("ferkern_demo.png"),
    model: Annotated[
        str, typer.Option("--model", help="fer_small, fer_2conv, fer_4conv or a .safetensors file.")
    ] = "fer_small",
    device: Annotated[str, typer.Option("--device", help="Where the network runs.")] = "cpu",
) -> None:
    """Recognize two portraits that matplotlib and scikit-image carry, and write an annotated picture."""
    import time

    from ferkern import draw
    from ferkern.cli.formats import TableWriter
    from ferkern.cli.recognize import make_recognizer
    from ferkern.pictures import read

    found = portraits()
    if not found:
        messages().print(
            f"No sample portraits here: they come with matplotlib and scikit-image. Install both with\n\n"
            f"    {pip_install('demo')}\n\nor try your own picture: ferkern recognize photo.jpg --draw .",
            markup=False,
        )
        raise typer.Exit(1)
    recognizer = make_recognizer(model=model, detector=None, device=device)
    table = TableWriter()
    drawn = []
    for name, path in found.items():
        started = time.perf_counter()
        picture = read(path)
        faces = recognizer(picture)
        table.add(Path(name), picture, faces, (time.perf_counter() - started) * 1000)
        drawn.append(draw.annotate(picture, faces))
    table.close()
    sheet = draw.side_by_side(drawn)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(output)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--output {output}: {error}") from error
    results().print(f"\nAnnotated picture: {output.resolve()}", markup=False, soft_wrap=True)


def portraits() -> dict[str, Path]:
    """Names and files of the sample portraits that are installed."""
    sources: dict[str, tuple[str, str, Callable[[], Any]]] = {
        "Grace Hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", _from_matplotlib),
        "Eileen Collins": ("skimage", "data/astronaut.png", _from_skimage),
    }
    found: dict[str, Path] = {}
    for name, (package, inside, ask) in sources.items():
        spec = importlib.util.find_spec(package)
        if spec is None:
            continue
        # The file where the package keeps it, without importing the package; else what the package says.
        files = [Path(folder, inside) for folder in spec.submodule_search_locations or ()]
        file = next((f for f in files if f.is_file()), None) or ask()
        if file is not None and Path(file).is_file():
            found[name] = Path(file)
    return found


def _from_matplotlib() -> Any:
    from matplotlib import cbook

    return cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def _from_skimage() -> Any:
    import skimage.data

    return Path(skimage.data.__file__).parent / "astronaut.png"
