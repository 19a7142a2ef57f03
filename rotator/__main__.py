"""``python -m rotator`` is ``bigip-sm-rotator``."""

from __future__ import annotations

import sys

from rotator.main import main

sys.exit(main())
