"""A small synthetic world, written in the nuScenes format."""
