import { script } from './script.ts'

/**
 * `python [options] spare.py PROGRAM…`: an interpreter that has started and waits for its turn, then is PROGRAM as if it had been started so. PROGRAM is `FILE …` or
 * `-m MODULE …`. It knows `SHIV_SPARE_FIFO`, `SHIV_SPARE_PRELOAD` and the line `go`, with `env`, as spare.cjs does; it is started where the program runs.
 */
export const SPARE_PYTHON = script`
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    words = sys.argv[1:]
    is_path_ours = bool(sys.path) and sys.path[0] == HERE
    if is_path_ours:
        del sys.path[0]
    score = offer_to_the_killer()
    for name in os.environ.get("SHIV_SPARE_PRELOAD", "").split():
        preload(name)
    order = read_line(os.environ["SHIV_SPARE_FIFO"])
    if order is None:
        os._exit(0)
    for name in [name for name in os.environ if name.startswith("SHIV_SPARE_")]:
        del os.environ[name]
    obey(order)
    if score is not None:
        write("/proc/self/oom_score_adj", score)
    importlib.invalidate_caches()
    become(words, is_path_ours)


# Modules of the service's own folder are not found: what is saved there would not be read again.
def preload(name):
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"shiv: {name} cannot be preloaded: {error!r}", file=sys.stderr, flush=True)


def read_line(path):
    fifo = os.open(path, os.O_RDONLY)
    try:
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(fifo, 1)
            if not byte:
                return None
            line += byte
        return line.decode().strip()
    finally:
        os.close(fifo)


def obey(order):
    text = order[len("go") :].strip()
    if not text:
        return
    import json

    for name, value in json.loads(text).get("env", {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


# A spare is the first to go when memory is short; as the service it is worth what the service was.
def offer_to_the_killer():
    try:
        with open("/proc/self/oom_score_adj") as file:
            before = file.read().strip()
    except OSError:
        return None
    return before if write("/proc/self/oom_score_adj", "1000") else None


def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        return False
    return True


# The program runs in the module __main__ that the interpreter made, of which nothing is left.
def become(words, has_path):
    scope = vars(sys.modules["__main__"])
    for name in [name for name in scope if not name.startswith("__")]:
        del scope[name]
    if words[0] == "-m":
        from runpy import _run_module_as_main

        sys.argv = words[1:]
        if has_path:
            sys.path.insert(0, os.getcwd())
        begin(lambda: _run_module_as_main(words[1]))
        return
    from importlib.machinery import SourceFileLoader

    path = os.path.abspath(words[0])
    sys.argv = words
    if has_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    scope.update(__file__=path, __loader__=SourceFileLoader("__main__", path))
    with open(path, "rb") as file:
        source = file.read()
    begin(lambda: exec(compile(source, path, "exec", dont_inherit=True), scope))


# A traceback begins with the program's own line.
def begin(program):
    try:
        program()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals is globals():
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


if __name__ == "__main__":
    scope = {"__name__": "shiv_spare", "__file__": __file__}
    with open(__file__, "rb") as file:
        exec(compile(file.read(), __file__, "exec"), scope)
    scope["main"]()
`
