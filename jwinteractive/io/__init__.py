"""Open and write JWST products, and what was done to them."""

from jwinteractive.io.association import read_association
from jwinteractive.io.header import exposure_of, header_of
from jwinteractive.io.patched import copy_recorded, write_back
from jwinteractive.io.provenance import (
    Provenance,
    ReferenceRecord,
    StepRecord,
    read_provenance,
)
from jwinteractive.io.read import Opened, open_product, open_products
from jwinteractive.io.saving import check_writable, output_name, root_name
from jwinteractive.io.spectrum import spectra_suffix, write_spectra
from jwinteractive.io.windows import write_windows
from jwinteractive.io.write import write_product

__all__ = [
    "Opened",
    "Provenance",
    "ReferenceRecord",
    "StepRecord",
    "check_writable",
    "copy_recorded",
    "exposure_of",
    "header_of",
    "open_product",
    "open_products",
    "output_name",
    "read_association",
    "read_provenance",
    "root_name",
    "spectra_suffix",
    "write_back",
    "write_product",
    "write_spectra",
    "write_windows",
]
