//! The device `icicle`: an installed ICICLE library, opened at run time.
