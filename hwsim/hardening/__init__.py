"""What is done to weights before they are stored, and to words when they are read.

`scaling` computes the constants; `harden` turns a network's weights into the words to store; `flips` measures what a
flip does to them; `guards` are the cheap controls at the read port.
"""

from hwsim.hardening.flips import flip_errors, rms_flip_error
from hwsim.hardening.guards import GUARDS, Guards
from hwsim.hardening.harden import Hardened, harden
from hwsim.hardening.scaling import Constants, Scaling

__all__ = ["GUARDS", "Constants", "Guards", "Hardened", "Scaling", "flip_errors", "harden", "rms_flip_error"]
