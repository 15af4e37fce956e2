"""The profiles of this plug-in: ``<family>/<model>.toml`` beside this file."""

from importlib.resources import files

from device_profiles.plugin import ProfilePlugin

PLUGIN = ProfilePlugin(api=1, folder=files(__name__))
