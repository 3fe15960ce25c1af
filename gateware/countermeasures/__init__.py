# SPDX-License-Identifier: Apache-2.0
"""Every countermeasure: what it is against, where it is, what shows that it works, and what attacks it.

In the source, ``SEC_CM: LABEL`` stands where it is. A test and an injection are ``file::name``: of pytest or of cocotb, or a
copy that is broken on purpose and found out: in ``tests/prove/broken.py`` by a proof, in the two ``removed.py`` by the
countermeasure's own test. A label without an entry, an entry without a label, and a test or an injection that is not there
fail ``tests/test_countermeasures.py``.
"""

from gateware.countermeasures.control import CONTROLS
from gateware.countermeasures.entropy import COINS
from gateware.countermeasures.entry import Countermeasure
from gateware.countermeasures.firmware import IN_FIRMWARE
from gateware.countermeasures.flow import FLOWS
from gateware.countermeasures.gateway import GATEWAYS
from gateware.countermeasures.sampler import SAMPLERS
from gateware.countermeasures.session import SESSIONS
from gateware.countermeasures.trng import RANDOM
from gateware.countermeasures.upload import UPLOADS

__all__ = ["COUNTERMEASURES", "Countermeasure"]

COUNTERMEASURES = (*SESSIONS, *CONTROLS, *RANDOM, *COINS, *FLOWS, *SAMPLERS, *UPLOADS, *GATEWAYS, *IN_FIRMWARE)
