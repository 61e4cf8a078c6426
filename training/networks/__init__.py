"""The networks: `halsie` for segmentation, `compressed_video` for actions, and what they are made of."""
