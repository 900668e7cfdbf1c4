"""Whether a face smiles: a logistic head on the features of the expression network.

The network has already seen mouths, cheeks and eyes for its seven classes; what it knows of them stands in its last
hidden layer, and one weighted sum of that says how likely a smile is. So a smile costs no second look at the face.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network

if TYPE_CHECKING:
    from ferkern.face.stages import FaceBatch

__all__ = ["SMILE", "SmileHead", "SmileStage", "smile_network"]

SMILE = "smile"
"""Name of the head that comes with ferkern."""

_BATCH = 32


def smile_network(weights: NDArray[np.floating[Any]], bias: float, *, metadata: dict[str, str]) -> Network:
    """The head as a network: sigmoid(weights . features + bias).

    Parameters
    ----------
    weights : floats [F]
    bias
        Of the sum.
    metadata
        Facts for the file; ``"features"`` names the network whose last hidden layer it reads.
    """
    g = GraphBuilder("smile", (len(weights), 1, 1))
    g.activation(g.dense(g.flatten("input"), 1), "sigmoid")
    network = g.finish(classes=("smile",))
    dense = network.nodes[1].weights
    network.weights[dense["w"]][:] = weights
    network.weights[dense["b"]][:] = bias
    network.metadata = metadata
    return network


class SmileHead:
    """Probability of a smile from features of the network that the head was trained on.

    Parameters
    ----------
    network
        A head as `smile_network` makes it, the path of its file, or ``"smile"``, the one that comes with ferkern.

    Attributes
    ----------
    reads : str
        Name of the network whose last hidden layer is meant.

    Raises
    ------
    ModelError
        The file is damaged or is no such head.
    ValueError
        There is no such file.
    """

    def __init__(self, network: Network | str | os.PathLike[str] = "smile") -> None:
        from ferkern.models import store

        self.network = network if isinstance(network, Network) else store.load(network)
        outputs = self.network.infer_shapes()[self.network.output]
        self.reads = self.network.metadata.get("features", "")
        if outputs != (1,) or self.network.input_shape[1:] != (1, 1) or not self.reads:
            raise ModelError(
                f"{self.network.name}: input {list(self.network.input_shape)}, output {list(outputs)}, reads "
                f"{self.reads!r}; a smile head has input [F, 1, 1], output [1], and names a network as 'features'"
            )
        self._session = self.network.plan(batch=_BATCH, threads=1)

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities float32 [n] from features float32 [n, F]."""
        return self._session.run(features[:, :, None, None])[:, 0]


class SmileStage:
    """The smile head as a stage of the pipeline.

    Parameters
    ----------
    head : SmileHead, optional
        None: the one that comes with ferkern.
    """

    name = SMILE

    def __init__(self, head: SmileHead | None = None) -> None:
        self.head = SmileHead(SMILE) if head is None else head
        self.reads = self.head.reads

    def __call__(self, faces: FaceBatch, /) -> list[float]:
        """Probability of a smile for each face."""
        if faces.features is None:
            raise ValueError("faces have no features: the expression network has not run")
        return [float(p) for p in self.head(faces.features)]
