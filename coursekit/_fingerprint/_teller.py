"""The walk through a value: each thing becomes a hash of what decides it."""

import collections
import copyreg
import enum
import functools
import hashlib
import io
import random
import sys
import types
import weakref

import numpy as np

from coursekit._disk import OnDisk
from coursekit._fingerprint import _code, _keras, _objects
from coursekit._fingerprint._libraries import library

PLAIN = bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented)
SEVERAL = 200  # a dict with more entries is one thing, not an entry each
DRAWN = random.Random, np.random.Generator, np.random.BitGenerator, np.random.RandomState
OF_A_CLASS = {  # Python's records
    "__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__firstlineno__",
    "__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "__abstractmethods__", "_abc_impl", "__parameters__",
    "__orig_bases__", "__slotnames__", "__match_args__", "__classcell__",
}  # fmt: skip


class Untold(ValueError):
    """Something decides a result and cannot be told apart."""


class Teller:
    """One walk.

    Args:
        name: what the value is called.
        strict: refuse what cannot be told apart; else leave it out.
        program: count what the trace of a training step depends on, not the state.

    Attributes:
        nodes: a hash for each thing that may change by itself, by its expression.
    """

    def __init__(self, name: str, strict: bool, program: bool = False):
        self.name, self.strict, self.program = name, strict, program
        self.nodes: dict[str, str] = {}
        self.done: dict[int, tuple] = {}  # with the value, so that its id stays its own
        self.path: list[int] = []

    def of(self, value, at: str) -> str:
        """Return the hash of a value; `at` is the expression that leads to it."""
        if type(value) in PLAIN:
            return self.hash(type(value).__name__, repr(value))
        key = id(value)
        if key in self.path:
            return self.hash("itself", len(self.path) - self.path.index(key))
        if key not in self.done:
            self.path.append(key)
            try:
                found = self._tell(value, at)
            finally:
                self.path.pop()
            self.done[key] = found, value
        return self.done[key][0]

    def node(self, value, at: str) -> str:
        """Keep the hash of a value under its expression; return the expression's own."""
        key, found = at, self.of(value, at)
        while self.nodes.get(key, found) != found:
            key += "'"  # another thing of the same name
        self.nodes[key] = found
        return self.hash("node", key)

    @staticmethod
    def hash(*words) -> str:
        """Hash words, so that no two lists of words give the same."""
        digest = hashlib.sha256()
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogatepass")
            digest.update(len(word).to_bytes(8, "big") + word)
        return digest.hexdigest()[:32]

    def hidden(self, value, at: str, what: str) -> str:
        """Refuse a value, or leave it out."""
        if not self.strict:
            return self.hash("left out", type(value).__qualname__)
        root = self.name
        if at == root:
            place = f"`{root}` is {what}"
        elif at.startswith((f"{root}.", f"{root}[", f"{root}(")):
            place = f"`{root}` holds `{at}`, {what}"
        else:
            place = f"`{root}` reads `{at}`, {what}"
        raise Untold(f"{place}, which cannot be told apart")

    # One kind after the other ---------------------------------------------------------------

    def _tell(self, value, at: str) -> str:
        for kinds, tell in TELLERS:
            if isinstance(value, kinds):
                return tell(self, value, at)
        for name, tell in OF_KERAS.items():
            if isinstance(value, _keras.kinds(name)):
                return tell(self, value, at)
        if _keras.is_of_keras(value):
            return self._keras_object(value, at)
        return self._of_a_library(value, at) or self._object(value, at)

    def _of_a_library(self, value, at: str) -> str | None:
        """Tables, matrices, tensors, compiled functions: what counts is not all attributes."""
        home = type(value).__module__.partition(".")[0]
        if home == "pandas" and (hasattr(value, "shape") or hasattr(value, "iloc")):
            return self._table(value, at)
        if home == "scipy" and hasattr(value, "tocoo"):
            return self._sparse(value, at)
        if hasattr(value, "__next__"):
            return self.hidden(value, at, f"{_objects.a(value)}, used up as it is read")
        if not library(type(value).__module__):
            return None
        if hasattr(value, "python_function") or hasattr(value, "__wrapped__"):
            return self._wrapped(value, at)
        return self._array_like(value, at) if hasattr(value, "__array__") else None

    def _class_name(self, kind: type) -> str:
        return f"{library(kind.__module__)} {kind.__module__}.{kind.__qualname__}"

    def _number(self, value, at):
        return self.hash(value.dtype.str, value.dtype.name, value.tobytes())

    def _array(self, value, at):
        if isinstance(value, np.ma.MaskedArray):
            parts = value.filled(), np.ma.getmaskarray(value), value.fill_value
            return self.hash("masked", *(self.of(p, at) for p in parts))
        kind = [type(value).__name__, value.dtype.str, value.dtype.name, value.shape]
        if value.dtype.names:
            return self.hash(*kind, *(self.hash(n, self.of(value[n], at))
                                      for n in value.dtype.names))  # fmt: skip
        if value.dtype.hasobject or value.dtype.kind == "T":
            return self.hash(*kind, self.of(value.astype(object).ravel().tolist(), at))
        if not value.size or not value.dtype.itemsize:
            return self.hash(*kind)
        digest = hashlib.sha256(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        return self.hash(*kind, digest.digest())

    def _on_disk(self, value, at):
        """Rows of a file, as the array that they are: read in blocks."""
        kind = "ndarray", value.dtype.str, value.dtype.name, value.shape
        return self.hash(*kind, value.digest())

    def _array_like(self, value, at):
        try:
            array = np.asarray(value)
        except Exception:  # a tensor in a graph has no value yet
            return self.hidden(value, at, f"{_objects.a(value)} without a value")
        if array.dtype.hasobject and array.ndim == 0:
            return self._object(value, at)
        return self.hash(self._class_name(type(value)), self.of(array, at))

    def _table(self, value, at):
        """A table, column, index or array of pandas: types, categories and labels count."""
        parts = _objects.table_parts(value)
        return self.hash(type(value).__name__, *(self.of(part, at) for part in parts))

    def _sparse(self, value, at):
        coo = value.tocoo()
        parts = (*coo.coords, coo.data, tuple(coo.shape))
        return self.hash(self._class_name(type(value)), *(self.of(part, at) for part in parts))

    def _list(self, value, at):
        kind = self._kind_of_container(value, (list, tuple, collections.deque), at)
        if all(type(one) in PLAIN for one in value):
            return self.hash(kind, repr(list(value)))
        return self.hash(kind, *(self.of(one, f"{at}[{k}]") for k, one in enumerate(value)))

    def _set(self, value, at):
        kind = self._kind_of_container(value, (set, frozenset), at)
        return self.hash(kind, *sorted(self.of(one, f"{at}[...]") for one in value))

    def _dict(self, value, at):
        kind = self._kind_of_container(value, (dict, types.MappingProxyType), at)
        if isinstance(value, collections.defaultdict):
            kind = self.hash(kind, self.of(value.default_factory, f"{at}.default_factory"))
        tell = self.of if self.program or len(value) > SEVERAL else self.node
        return self.hash(kind, *(
            self.hash(self.of(key, at), tell(one, f"{at}[{_objects.short(key)}]"))
            for key, one in value.items()
        ))  # fmt: skip

    def _kind_of_container(self, value, plain, at) -> str:
        """A subclass may have methods and attributes of its own."""
        kind = type(value)
        if kind in plain:
            return kind.__name__
        extra = {} if library(kind.__module__) else dict(getattr(value, "__dict__", {}))
        return self.hash(self.of(kind, at), self._attributes(extra, at))

    # Code -----------------------------------------------------------------------------------

    def _function(self, value, at):
        home = library(value.__globals__.get("__name__"))
        own = {k: v for k, v in vars(value).items() if k != "__wrapped__"}
        if home:
            code, cells = value.__code__, []
            if "<locals>" in value.__qualname__ or not library(value.__module__):
                # A closure of a library, such as a decorator makes: it may hold a user's function.
                cells = [one for one in _code.reads(value) if one[0] in code.co_freevars]
            return self.hash("function", home, code.co_qualname, value.__qualname__,
                             *(self._read(*one) for one in cells))  # fmt: skip
        defaults = list(value.__defaults__ or ())
        names = value.__code__.co_varnames[: value.__code__.co_argcount]
        defaults = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        defaults |= value.__kwdefaults__ or {}
        return self.hash(
            "function",
            self._bytecode(value.__code__),
            *(self.hash(name, self.node(one, f"{at}({name})")) for name, one in defaults.items()),
            *(self._read(*one) for one in _code.reads(value)),
            self._attributes(own, at),
        )

    def _bytecode(self, code) -> str:
        constants = [self.of(one, self.name) for one in _code.constants(code)]
        return self.hash("code", *constants, *map(self._bytecode, _code.inner(code)))

    def _read(self, name: str, value, chains: set) -> str:
        """What a function reads from outside, under its name there."""
        if value is _code.MISSING:
            return self.hash("nothing", name)
        if not isinstance(value, types.ModuleType):
            return self.hash(name, self.node(value, name))
        home = library(value.__name__)
        if home:
            return self.hash("module", home, value.__name__)
        found = [self.hash("module", name)]
        for chain in sorted(chains or {()}):
            if not chain:
                found.append(self.hidden(value, name, "a module of your own as a whole"))
                continue
            own = getattr(value, chain[0], _code.MISSING)
            found.append(self._read(f"{name}.{chain[0]}", own, {chain[1:]}))
        return self.hash(*found)

    def _method(self, value, at):
        parts = self.of(value.__func__, at), self.of(value.__self__, f"{at}.__self__")
        return self.hash("method", *parts)

    def _builtin(self, value, at):
        owner = getattr(value, "__self__", None)
        words = [type(value).__name__, getattr(value, "__qualname__", value.__name__)]
        if owner is not None and not isinstance(owner, types.ModuleType):
            words.append(self.of(owner, f"{at}.__self__"))
        elif getattr(value, "__objclass__", None) is not None:
            words.append(self.of(value.__objclass__, at))
        else:
            words.append(library(getattr(value, "__module__", None)))
        return self.hash(*words)

    def _wrapped(self, value, at):
        """What a library makes of a function: a cached, a compiled one."""
        inner = getattr(value, "python_function", None) or value.__wrapped__
        return self.hash("wrapped", self._class_name(type(value)), self.of(inner, at))

    def _partial(self, value, at):
        keywords = sorted(value.keywords.items())
        return self.hash(
            type(value).__qualname__,
            self.of(value.func, at),
            *(self.node(one, f"{at}({k})") for k, one in enumerate(value.args)),
            *(self.hash(k, self.node(one, f"{at}({k})")) for k, one in keywords),
        )

    def _class(self, value, at):
        """A class: the code of its methods and of its bases, and its attributes."""
        home = library(value.__module__)
        if home and "<locals>" not in value.__qualname__:
            return self.hash("class", home, value.__module__, value.__qualname__)
        own = {k: v for k, v in vars(value).items() if k not in OF_A_CLASS}
        bases = [self.of(base, at) for base in value.__bases__]
        return self.hash(
            "class", value.__qualname__, self.of(type(value), at), *bases,
            self._attributes(own, value.__qualname__.rpartition(".")[2]),
        )  # fmt: skip

    def _descriptor(self, value, at):
        if isinstance(value, property):
            parts = value.fget, value.fset, value.fdel
        elif isinstance(value, functools.cached_property):
            parts = (value.func,)
        else:
            parts = (value.__func__,)
        return self.hash(type(value).__name__, *(self.of(part, at) for part in parts))

    def _slot(self, value, at):
        return self.hash("slot", value.__name__)

    # Objects --------------------------------------------------------------------------------

    def _attributes(self, found: dict, at: str) -> str:
        """The attributes of an object, each under its expression."""
        parts = []
        for name in sorted(found):
            one, where = found[name], f"{at}.{name}"
            code = isinstance(one, (types.FunctionType, *DESCRIPTORS)) or self.program
            parts.append(self.hash(name, (self.of if code else self.node)(one, where)))
        return self.hash(*parts)

    def _object(self, value, at):
        """An object by its class and its attributes; of a library, by what it would be pickled as.

        Nothing is pickled: pickle is asked what the object consists of.
        """
        kind = type(value)
        found = _objects.attributes_of(value)
        if library(kind.__module__) and (_objects.own_reduce(kind) or not found):
            return self._reduced(value, at)
        parts = [self.of(kind, at), self._attributes(found, at)]
        if any(_objects.own_reduce(base) for base in kind.__mro__ if library(base.__module__)):
            parts.append(self._reduced(value, at))
        return self.hash("object", *parts)

    def _reduced(self, value, at):
        try:
            parts = copyreg.dispatch_table.get(type(value), _objects.reduce)(value)
        except Exception:  # each has its own
            return self.hidden(value, at, _objects.a(value))
        if isinstance(parts, str):
            return self.hash("global", self._class_name(type(value)), parts)
        make, arguments, state, *more = (*parts, None)[:6]
        state = self._attributes(state, at) if isinstance(state, dict) else self.of(state, at)
        more = [list(one) if hasattr(one, "__next__") else one for one in more]
        return self.hash("made", state, *(self.of(one, at) for one in (make, arguments, *more)))

    def _enum(self, value, at):
        return self.hash("enum", self._class_name(type(value)), value.name, repr(value.value))

    def _subclass_of_plain(self, value, at):
        base = next(one for one in PLAIN if isinstance(value, one))
        own = dict(getattr(value, "__dict__", {}))
        return self.hash(self.of(type(value), at), base.__repr__(value), self._attributes(own, at))

    def _refused(self, value, at):
        return self.hidden(value, at, _objects.a(value))

    def _drawn(self, value, at):
        return self.hidden(value, at, "a random generator, which goes on from call to call")

    # Keras ----------------------------------------------------------------------------------

    def _variable(self, value, at):
        parts = {
            "dtype": str(value.dtype), "shape": tuple(value.shape), "trainable": value.trainable,
            "regularizer": value.regularizer, "constraint": value.constraint,
            "overwrite": value.overwrite_with_gradient, "autocast": getattr(value, "_autocast", 0),
        }  # fmt: skip
        if not self.program and getattr(value, "_value", None) is not None:
            parts["value"] = np.asarray(sys.modules["keras"].ops.convert_to_numpy(value.value))
        return self.hash("variable", *(self.hash(k, self.of(v, f"{at}.{k}"))
                                       for k, v in parts.items()))  # fmt: skip

    def _layer(self, value, at):
        found = _keras.attributes(value)
        parts = [self.of(type(value), at)]
        if hasattr(value, "operations") and hasattr(value, "_nodes"):
            parts.append(self.of(_keras.graph(value), at))
            found.pop("_layers", None)
        if getattr(value, "compiled", False):
            parts.append(self.of(_keras.compiled(value), at))
            found.pop("loss", None)
            found.pop("optimizer", None)
        if hasattr(value, "get_vocabulary"):
            found["vocabulary"] = _objects.vocabulary(value)
        return self.hash("layer", *parts, self._state(found, at))

    def _keras_object(self, value, at):
        name = _keras.label(value)
        parts = self.of(type(value), at), self._state(_keras.attributes(value), at)
        return self.hash("keras", name, *parts)

    def _state(self, found: dict, at) -> str:
        """Attributes of an object of Keras, whose variables and seeds are state of a program."""
        if self.program:
            found = {k: v for k, v in found.items() if k not in _keras.SEEDS}
        return self.hash(*(self.hash(name, self.of(found[name], f"{at}.{name}"))
                           for name in sorted(found)))  # fmt: skip

    def _tensor(self, value, at):
        return self.hash("symbol", tuple(value.shape), value.dtype)


DESCRIPTORS = staticmethod, classmethod, property, functools.cached_property
TELLERS = (
    (enum.Enum, Teller._enum),
    (np.generic, Teller._number),
    (np.ndarray, Teller._array),
    (OnDisk, Teller._on_disk),
    ((list, tuple, collections.deque), Teller._list),
    ((set, frozenset), Teller._set),
    ((dict, types.MappingProxyType), Teller._dict),
    (DRAWN, Teller._drawn),
    ((types.ModuleType, io.IOBase, types.GeneratorType, weakref.ref), Teller._refused),
    (types.FunctionType, Teller._function),
    (types.MethodType, Teller._method),
    (
        (types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType,
         types.MethodDescriptorType, types.ClassMethodDescriptorType),
        Teller._builtin,
    ),
    (functools.partial, Teller._partial),
    (types.CodeType, lambda self, value, at: self._bytecode(value)),
    (type, Teller._class),
    (DESCRIPTORS, Teller._descriptor),
    ((types.MemberDescriptorType, types.GetSetDescriptorType), Teller._slot),
    (PLAIN, Teller._subclass_of_plain),
)  # fmt: skip
OF_KERAS = {
    "Variable": Teller._variable,
    "KerasTensor": Teller._tensor,
    "Layer": Teller._layer,
}
