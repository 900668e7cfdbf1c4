"""What stands in a matrix of trajectories: components, points that move together, frames that look alike, a map.

The decomposition is ferkern's own (`ferkern.linalg.pca`); groups, clusters and the map are scikit-learn's, with a seed
and one thread, so that the same file gives the same result every time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import linalg
from ferkern.analyze.trajectories import Trajectories

__all__ = [
    "REGIONS",
    "Clusters",
    "Component",
    "Components",
    "Groups",
    "Map",
    "cluster_frames",
    "decompose",
    "group_points",
    "map_frames",
    "required",
]

REGIONS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
"""Points of the 68 by what they lie on."""

_ENOUGH = 0.95  # share of the variance that the components kept explain, unless their number is given
_FEWEST, _MOST = 2, 20  # components kept
_MOST_CLUSTERS = 8  # that are tried
_JUDGED = 2000  # frames that a silhouette is taken over: its time grows with their square
_MAPPED = 2000  # frames of the map


def required() -> None:
    """Say which extra brings scikit-learn, if it is not there.

    Raises
    ------
    ImportError
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError('the analysis needs scikit-learn: pip install "ferkern[analyze]"') from error


def _one_thread() -> Any:
    """Sums of several threads come in any order; the last bits with them, and what is decided by them."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


# -- components ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Component:
    """One way in which faces move.

    Attributes
    ----------
    share : float
        Of the variance.
    deviation : float
        Standard deviation along it, in units of the distance of the eyes, all 136 coordinates together.
    region : str
        Of `REGIONS`, that whose points it moves most.
    correlations : dict of str to float, or None
        With yaw, pitch and smile within recordings, where these are known and change.
    """

    share: float
    deviation: float
    region: str
    correlations: dict[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components of trajectories.

    Attributes
    ----------
    pca : PCA
        Of all components.
    kept : tuple of Component
        The first K.
    scores : float32 [n, K]
        The frames' coordinates along them.
    """

    pca: linalg.PCA[np.float32]
    kept: tuple[Component, ...]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kept)

    def mode(self, index: int) -> NDArray[np.float64]:
        """How the points move along a component, by one standard deviation: float64 [68, 2]."""
        direction = self.pca.components[index].astype(np.float64).reshape(-1, 2)
        mode: NDArray[np.float64] = self.kept[index].deviation * direction
        return mode


def decompose(trajectories: Trajectories, count: int | None = None) -> Components:
    """Principal components of the matrix, by ferkern's SVD.

    Parameters
    ----------
    trajectories
    count : int, optional
        Components to keep; else as many as explain 95 % of the variance, 2 to 20.

    Raises
    ------
    ValueError
        The faces do not move, or `count` is out of range.
    """
    matrix = trajectories.matrix
    most = min(matrix.shape)
    if count is not None and not 1 <= count <= most:
        raise ValueError(f"components must be 1 to {most} for {matrix.shape[0]} frames, is {count}")
    pca = linalg.pca(matrix)
    if not pca.explained_variance_ratio.any():
        raise ValueError(f"{len(trajectories)} frames: the faces do not move, there is nothing to analyse")
    count = count or kept_components(pca)
    scores = pca.transform(matrix)[:, :count]
    known = {
        "yaw": _centred(trajectories, trajectories.pose[:, 0]),
        "pitch": _centred(trajectories, trajectories.pose[:, 1]),
        "smile": _centred(trajectories, trajectories.smile),
    }
    kept = []
    for index in range(count):
        squares = np.square(pca.components[index].reshape(-1, 2)).sum(axis=1)
        kept.append(
            Component(
                share=float(pca.explained_variance_ratio[index]),
                deviation=math.sqrt(float(pca.explained_variance[index])),
                region=max(REGIONS, key=lambda name: float(squares[REGIONS[name]].mean())),
                correlations={name: _correlation(scores[:, index], values) for name, values in known.items()},
            )
        )
    return Components(pca, tuple(kept), scores)


def kept_components(pca: linalg.PCA[np.float32]) -> int:
    """How many components explain 95 % of the variance, 2 to 20."""
    enough = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio), _ENOUGH)) + 1
    return min(max(enough, _FEWEST), _MOST, len(pca.explained_variance_ratio))


def _centred(trajectories: Trajectories, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values less the mean of each recording's, as the matrix has its rows."""
    centred = values.copy()
    for each in trajectories.recordings:
        own = centred[each.rows]
        known = own[~np.isnan(own)]
        own -= known.mean() if len(known) else 0.0
    return centred


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float | None:
    known = ~np.isnan(b)
    if known.sum() < 3 or a[known].std() < 1e-9 or b[known].std() < 1e-9:
        return None
    return float(np.corrcoef(a[known].astype(np.float64), b[known])[0, 1])


# -- points that move together ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Landmarks by how they move.

    Attributes
    ----------
    of_points : int64 [68]
        0, 1, ...; the group that moves most is the first.
    movement : float64 [groups]
        Root mean square of the points' way from their mean places, in units of the distance of the eyes.
    """

    of_points: NDArray[np.int64]
    movement: NDArray[np.float64]


def group_points(components: Components, count: int = 6) -> Groups:
    """Landmarks whose trajectories are alike.

    J. H. Ward, "Hierarchical grouping to optimize an objective function", J. American Statistical Association 58, 1963.
    The distance of two points is the root mean square over time of how differently they are displaced, in the space of
    the components that are kept: that of their rows of loadings, each times its standard deviation.

    Raises
    ------
    ValueError
        `count` is not 1 to 68.
    """
    from sklearn.cluster import AgglomerativeClustering

    ways = np.stack([components.mode(i) for i in range(len(components))], axis=1).reshape(68, -1)
    if not 1 <= count <= len(ways):
        raise ValueError(f"groups must be 1 to {len(ways)}, is {count}")
    found = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(ways)
    movement = np.array([np.sqrt(np.square(ways[found == g]).sum(axis=1).mean()) for g in range(count)])
    order = np.argsort(-movement, kind="stable")
    return Groups(np.argsort(order)[found], movement[order])


# -- frames that look alike ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Frames by how faces look in them.

    Attributes
    ----------
    of_rows : int64 [n]
        0, 1, ...; the largest cluster is the first.
    typical : int64 [clusters]
        The row nearest to each centre.
    silhouette : float, or None
        Mean silhouette (P. J. Rousseeuw, 1987), -1 to 1: how well the clusters stand apart. None of one cluster.
    tried : dict of int to float
        Silhouettes of the numbers of clusters that were tried; empty where the number was given.
    """

    of_rows: NDArray[np.int64]
    typical: NDArray[np.int64]
    silhouette: float | None
    tried: dict[int, float]


def cluster_frames(components: Components, count: int | None = None, *, seed: int = 0) -> Clusters:
    """k-means (S. Lloyd, 1982; ten starts by k-means++) of the frames in the space of the components.

    Parameters
    ----------
    components
    count : int, optional
        Clusters; else the number of 2 to 8 with the highest mean silhouette.
    seed : int

    Raises
    ------
    ValueError
        `count` is not 1 to the number of different frames.
    """
    scores = components.scores
    different = len(np.unique(scores, axis=0))
    if count is not None and not 1 <= count <= different:
        raise ValueError(f"clusters must be 1 to {different}, the number of different frames, is {count}")
    with _one_thread():
        tried: dict[int, float] = {}
        if count is None:
            numbers = range(2, min(_MOST_CLUSTERS, different - 1) + 1)
            tried = {k: _silhouette(scores, _k_means(scores, k, seed)[0]) or -1.0 for k in numbers}
            count = max(tried, key=tried.__getitem__) if tried else 1
        labels, centres = _k_means(scores, count, seed)
        silhouette = _silhouette(scores, labels)
    order = np.argsort(-np.bincount(labels, minlength=count), kind="stable")
    away = np.square(scores[:, None].astype(np.float64) - centres[None, order]).sum(axis=2)
    return Clusters(np.argsort(order)[labels], away.argmin(axis=0), silhouette, tried)


def _k_means(scores: NDArray[np.float32], count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from sklearn.cluster import KMeans

    found = KMeans(n_clusters=count, n_init=10, random_state=seed).fit(scores)
    return found.labels_.astype(np.int64), found.cluster_centers_.astype(np.float64)


def _silhouette(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float | None:
    from sklearn.metrics import silhouette_score

    rows = _spread(len(scores), _JUDGED)
    present = len(np.unique(labels[rows]))
    if not 2 <= present < len(rows):
        return None
    return float(silhouette_score(scores[rows], labels[rows]))


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly over all."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


# -- a map ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Frames in the plane, neighbours kept near.

    Attributes
    ----------
    rows : int64 [m]
        The frames that are shown: all, or 2,000 evenly over them.
    places : float64 [m, 2]
        Only who is whose neighbour means something, not the distance between clouds.
    perplexity : float
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float64]
    perplexity: float


def map_frames(components: Components, *, seed: int = 0) -> Map:
    """t-SNE (L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008) of the components' scores."""
    from sklearn.manifold import TSNE

    rows = _spread(len(components.scores), _MAPPED)
    perplexity = min(30.0, (len(rows) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca" if len(components) > 1 else "random", random_state=seed)
    with _one_thread():
        places = tsne.fit_transform(components.scores[rows])
    return Map(rows, places.astype(np.float64), perplexity)
