# make demo      compare the ladder on bundled real data and write report.html
# make test      every test, the linter and the type checker
# make check     the linter, the type checker and what the compiled kernels export
# make native    compile what changed in native/
# make sanitize  the tests of the kernels with AddressSanitizer and UndefinedBehaviorSanitizer

PYTHON ?= python3
BIN ?= .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Everything that the kernels are given: the other tests are of what is written in Python.
NATIVE := $(addprefix tests/kernels/test_,native.py chain.py features.py names.py items.py sampled.py \
	rows.py packed.py looking.py stepper.py walker.py)
RUNTIME = $(shell $${CXX:-c++} -print-file-name=$(1))

.PHONY: demo test check native sanitize clean
.DELETE_ON_ERROR:

demo: native
	$(BIN)/catena compare shakespeare --minutes 2.7 --report report.html

# One process a core, each with one thread: threads that wait for a core which another process holds
# wait long.
test: check
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --dist worksteal

check: .venv/installed-dev native
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	# One symbol for several processors would run the newest instructions on all of them. (That of
# exceptions is data.)
	! nm build/editable/CMakeFiles/cell_avx*.dir/native/*.cpp.o 2>/dev/null \
		| grep ' [uVW] ' | grep -v -e avx -e DW.ref.__gxx_personality_v0

native: .venv/installed
	$(BIN)/cmake --build build/editable

# A copy of the package with a module of its own, which comes first on the path.
sanitize: .venv/installed-dev
	rm -rf build/sanitized
	$(PIP) install --no-build-isolation --no-deps --target build/sanitized . \
		--config-settings=build-dir=build/sanitize --config-settings=cmake.build-type=Debug \
		--config-settings=cmake.define.CATENA_SANITIZE=ON
	LD_PRELOAD="$(call RUNTIME,libasan.so) $(call RUNTIME,libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PYTHONPATH=$(CURDIR)/build/sanitized \
		$(BIN)/python -m pytest -n auto --dist worksteal --capture=sys $(NATIVE)

.venv/installed: requirements.lock pyproject.toml CMakeLists.txt
	$(PYTHON) -c 'import sys; sys.exit("catena needs Python 3.11 or newer, not %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --no-compile -r requirements.lock
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(PIP) install --no-compile -r requirements-dev.lock
	touch $@

clean:
	rm -rf .venv build report.html src/catena/_native.*.so
