"""Files that a bad disk or a broken download left."""

from __future__ import annotations

import pytest


@pytest.fixture
def damage_chunk():
    """Spoils the first chunk of a data set in an HDF5 file; one without chunks is written anew, checked."""
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("hdf5plugin")

    def damage(path, key):
        with h5py.File(path, "a") as file:
            if file[key].chunks is None:
                values = file[key][:]
                del file[key]
                file.create_dataset(key, data=values, chunks=values.shape, fletcher32=True)
        with h5py.File(path, "r") as file:
            chunk = file[key].id.get_chunk_info(0)
        with path.open("r+b") as stored:
            stored.seek(chunk.byte_offset)
            stored.write(b"\xff" * min(chunk.size, 64))

    return damage
