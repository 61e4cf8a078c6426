"""Pictures as arrays: image messages to pixels, sRGB and light, optical flow."""
