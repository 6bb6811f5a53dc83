"""Rights in the pictures of data sets, as their publishers state them; what they state need not be so."""

from __future__ import annotations

from typing import Literal, get_args

Rights = Literal["permissive", "none stated", "research only"]
RIGHTS: tuple[Rights, ...] = get_args(Rights)
NONE_STATED: Rights = "none stated"
