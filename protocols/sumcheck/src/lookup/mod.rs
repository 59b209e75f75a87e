//! What fractional-sum lookup arguments share.
