"""The card of a network: what it was made from, how well it does, and what it must not be used for."""

from __future__ import annotations

import json

from ferkern.data.faceset import FaceSet
from ferkern.evaluate import Evaluation
from ferkern.models.network import Network
from ferkern.train.config import TrainConfig

__all__ = ["card"]

_USE = """## Intended use

Research and teaching on pictures of people who agreed to it: how expressions are *posed or perceived*, as seven
words that voters chose. A face shows no inner state for certain, and these labels agree with people only about as
well as people agree with each other (65 ± 5 % on FER-2013).

## What it must not be used for

- Inferring emotions of people at a workplace or in education (prohibited in the EU by Article 5(1)(f) of
  Regulation (EU) 2024/1689, the AI Act, but for medical or safety reasons).
- Decisions about a person: hiring, grading, credit, insurance, policing, migration, health.
- Watching people without their knowledge and consent.

Known limits: FER-2013 was gathered by web search; ages, skin tones and cultures are not balanced, many faces are
posed, some are cartoons or carry watermarks; `disgust` is rare (1.5 %). Errors differ between groups of people and
have not been measured by group here.
"""


def card(
    network: Network,
    config: TrainConfig,
    faces: FaceSet,
    sha256: str,
    size: int,
    usage: str,
    evaluation: Evaluation | None,
    without_twins: Evaluation | None,
) -> str:
    """The card as Markdown.

    Parameters
    ----------
    network, config, faces
        What was trained, how, and on which faces.
    sha256, size
        Of the file of weights, bytes.
    usage
        Part evaluated on.
    evaluation, without_twins
        Its figures on all faces and on those that do not also stand in Training.
    """
    parts = [
        f"# {network.name}\n",
        _summary(network, sha256, size),
        _data(faces, config),
        _preprocessing(network),
    ]
    if evaluation is not None:
        parts.append(_accuracy(network.name, usage, evaluation, without_twins))
    parts += [_recipe(network, config), _USE]
    return "\n".join(parts)


def _summary(network: Network, sha256: str, size: int) -> str:
    shape = "×".join(map(str, network.input_shape))
    return (
        f"| | |\n|---|---|\n| Input | {shape}, float32 |\n| Output | {len(network.classes)} probabilities: "
        f"{', '.join(network.classes)} |\n| Multiply-adds | {network.multiply_adds() / 1e6:.1f} M |\n"
        f"| Weights | {network.parameters():,} |\n| File | `{network.name}.safetensors`, {size:,} bytes, "
        f"float16 (vectors float32) |\n| sha256 | `{sha256}` |\n"
    )


def _data(faces: FaceSet, config: TrainConfig) -> str:
    train = faces.part("Training")
    counts = ", ".join(f"{name} {n:,}" for name, n in train.distribution().items())
    return f"""## Data and terms

FER-2013 (Goodfellow et al. 2013, "Challenges in representation learning"), {len(train):,} Training faces, 48×48 grey:
{counts}.
Less blank pictures, and less {config.held_out:,} faces held out for the curves. Terms: research use; the pictures
are not part of this project and a user brings their own copy. Labels: FER-2013's own, mixed with what
FER+ voters (Barsoum et al. 2016, MIT licence) make likely.
"""


def _preprocessing(network: Network) -> str:
    settings = network.preprocessing
    if settings.get("normalization") == "per_image":
        line = f"x = (x - x.mean()) / max(x.std(), {settings['epsilon']})"
    else:
        line = f"x = (x - {settings.get('mean')}) / {settings.get('std')}"
    height, width = network.input_shape[1:]
    return f"""## Preprocessing

```python
x = face.astype(numpy.float32)          # uint8 [{height}, {width}], grey, the face filling the square
{line}
x = x[None, None]                       # [1, 1, {height}, {width}]; the same: ferkern.models.preprocess
```
"""


def _accuracy(name: str, usage: str, evaluation: Evaluation, without_twins: Evaluation | None) -> str:
    lines = [
        "## Accuracy",
        "",
        f"FER-2013 {usage}, single crop, no test-time augmentation, original labels, the file as shipped:",
        "",
        "| faces | n | accuracy |",
        "|---|---|---|",
        f"| all | {evaluation.n:,} | {100 * evaluation.accuracy:.2f} % |",
    ]
    if without_twins is not None:
        lines.append(
            f"| without those that also stand in Training | {without_twins.n:,} "
            f"| {100 * without_twins.accuracy:.2f} % |"
        )
    lines += ["", "| class | precision | recall | F1 | AUC |", "|---|---|---|---|---|"]
    for label, s in evaluation.per_class.items():
        cells = " | ".join("–" if v is None else f"{v:.3f}" for v in (s.precision, s.recall, s.f1, s.auc))
        lines.append(f"| {label} | {cells} |")
    lines += [
        "",
        "Confusion matrix, rows are the labels, columns what was said:",
        "",
        "| | " + " | ".join(evaluation.classes) + " |",
        "|---|" + "---:|" * len(evaluation.classes),
    ]
    for label, row in zip(evaluation.classes, evaluation.confusion, strict=True):
        lines.append(f"| **{label}** | " + " | ".join(str(int(v)) for v in row) + " |")
    lines += ["", f"Again: `ferkern eval fer2013 --path P --model {name}`", ""]
    return "\n".join(lines)


def _recipe(network: Network, config: TrainConfig) -> str:
    before = network.metadata.get("start_recipe")
    started = ""
    if before is not None:
        first = json.dumps(json.loads(before), indent=2)
        started = f"""
It started from weights that a run from scratch with these settings had given:

```json
{first}
```

`ferkern train {network.name}` does both in one run: its first cycle is that of these settings, its second the one
above.
"""
    return f"""## How it was trained

`ferkern train {network.name} --dataset fer2013 --path P --out DIR` (extra `[train]`); the run that is shipped had these
settings:

```json
{json.dumps(config.to_dict(), indent=2)}
```
{started}
Stochastic gradient descent in one cycle (or two, `second`); what is shipped is the exponential average of the
weights after the last epoch, never a chosen epoch. Sums of bfloat16 products depend on the processor, so that a
run elsewhere gives the same figures within chance (about ±0.5 %), not the same bytes.
"""
