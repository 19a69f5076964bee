"""Array types that the protocols share."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
