"""Traits that a site's config sets: a wrong value is told, without the value; none is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import Float, HasTraits, Integer, TraitError
from traitlets.config.loader import LazyConfigValue
from traitlets.traitlets import class_of

if TYPE_CHECKING:
    from traitlets.config import Config


class MisconfiguredError(TraitError):
    """A trait cannot be what a site's config says.

    The text is for staff, and holds no value that may be a secret; `trait` is the trait's full
    name, which is all that a student may read.
    """

    trait: str | None

    # The default is for pickle, by which celery's workers hand an exception on.
    def __init__(self, message: str, *, trait: str | None = None) -> None:
        super().__init__(message)
        self.trait = trait


class ConfigTraits(HasTraits):
    """What traitlets leaves open for a class whose config is a site's.

    Its own errors print the whole value, which may hold a password; other exceptions than
    TraitError come out of a trait as they are; and ``c.Class.trait.append(...)`` is forgotten where
    the trait has no list to begin with.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute.

        Raises MisconfiguredError for a value that a trait of the config cannot have.
        """
        try:
            super().__setattr__(name, value)
        except MisconfiguredError:
            raise
        except Exception:
            if name not in self.class_trait_names(config=True):
                raise
            # Not "from error": its text holds the value.
            raise self._misfit(name, value) from None

    def _misfit(self, name: str, value: Any) -> MisconfiguredError:
        trait = self.traits()[name]
        expected = trait.info().removesuffix(" or None")
        expected += " or None" if trait.allow_none else ""
        set_to = f"a value of type {type(value).__name__}"
        if isinstance(trait, (Float, Integer)) and isinstance(value, (float, int)):
            set_to = repr(value)
        return MisconfiguredError(
            f"The {name!r} trait of {class_of(self)} instance expected {expected}, and it is set "
            f"to {set_to}.",
            trait=f"{type(self).__name__}.{name}",
        )

    def _find_my_config(self, cfg: Config) -> Config:
        """Give the sections of this class, with ``append`` and the like carried out.

        Raises MisconfiguredError where that cannot be.
        """
        mine: Config = super()._find_my_config(cfg)  # Configurable's
        for name, value in list(mine.items()):
            if isinstance(value, LazyConfigValue) and name in self.traits(config=True):
                if value.to_dict():
                    mine[name] = self._grown(name, value)
                else:  # the config has only read it
                    del mine[name]
        return mine

    def _grown(self, name: str, changes: LazyConfigValue) -> Any:
        made = changes.to_dict()
        kind = dict if "update" in made else list
        initial = getattr(self, name)
        if initial is None or initial in ([], {}):
            initial = kind()
        # `add` is for sets, and no trait here is one.
        fits = isinstance(initial, kind) and isinstance(made.get("update", {}), dict)
        if fits and (kind is list or set(made) == {"update"}):
            return changes.get_value(initial)
        full = f"{type(self).__name__}.{name}"
        raise MisconfiguredError(
            f"{full} cannot grow like this: append, extend, insert and prepend are for lists, "
            "update is for dicts, and one trait is one of them. Write the whole value with =",
            trait=full,
        )
