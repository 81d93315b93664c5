"""Registers plug-ins by name, whatever their kind."""

from typing import Any


def register(plugins: dict[str, Any], name: str, plugin: type, base: type, noun: str) -> None:
    """Registers a class under a name.

    Args:
        plugins: Mapping, name -> class, which gets the class.
        name: String, a lower-case identifier.
        plugin: Class, the one to register.
        base: Class, of which it is to be a subclass.
        noun: String, what the plug-ins are, for messages, e.g. `data set`.

    Raises:
        TypeError: The class is not a subclass of the base.
        ValueError: The name is not a lower-case identifier, or another class has it.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        wanted = f"{base.__module__.rpartition('.base')[0] or base.__module__}.{base.__name__}"
        raise TypeError(f"a {noun} must be a subclass of {wanted}: {plugin!r}")
    if not name.isidentifier() or name != name.lower():
        raise ValueError(f"a {noun}'s name is a lower-case identifier, not {name!r}")
    there = plugins.get(name, plugin)
    # a module that is imported again defines its plug-ins again
    if (there.__module__, there.__qualname__) != (plugin.__module__, plugin.__qualname__):
        raise ValueError(f"there is a {noun} {name!r} already: {there.__module__}")
    plugins[name] = plugin
