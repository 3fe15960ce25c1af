# Everything sets itself up in .venv. Needs Python >= 3.11 with venv, g++, make and perl.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test bench prove mutate fuzz sim bitstream boards registers lint format setup clean

demo: $(READY)
	@$(BIN)/python -m sim --device warden processor border --lanes 1
	@$(BIN)/custodes demo --capture tests/captures/mixed.pcap --out build/demo

test: $(READY)
	@$(BIN)/python -m sim --lanes 1 8 64
	@$(BIN)/python -m sim --device warden --lanes 1 --trace
	@$(BIN)/python -m pytest -n auto --dist worksteal

bench: $(READY)
	@$(BIN)/python -m sim --lanes 1 8 64
	@$(BIN)/python -m tests.bench --out build/bench

prove: $(READY)
	@$(BIN)/python -m tests.prove

mutate: $(READY)
	@$(BIN)/python -m tests.mutate

# make fuzz CASES=1000000 SEED=1: what the firmware does with requests
CASES ?= 1000000
SEED ?= 1
fuzz: $(READY)
	@$(BIN)/python -m tests.firmware.fuzz --cases $(CASES) --seed $(SEED)

# make sim TRACE=1 LANES=1: with waveforms
LANES ?= 1 8 64
sim: $(READY)
	@$(BIN)/python -m sim --lanes $(LANES) $(if $(TRACE),--trace)

# make bitstream BOARD=versa_ecp5 DEVICE=warden POLICY=my.toml
bitstream: $(READY)
	@$(BIN)/python -m boards build --board $(BOARD) --device $(DEVICE) $(if $(POLICY),--policy $(POLICY))

boards: $(READY)
	@$(BIN)/python -m boards list

# What is written from the register maps: the firmware's header and docs/registers.
registers: $(READY)
	@$(BIN)/python -m custodes.map_text

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@for tool in g++ perl; do command -v $$tool > /dev/null || { echo "$$tool is needed" >&2; exit 1; }; done
	@echo "setting up .venv" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[gateware,flash,demo,test,lint]'
	@touch $(READY)

clean:
	rm -rf build .venv
