# The commands of the book; README.md explains them.
# BOX=gpu uses the GPU environment, PYTHON=... a certain Python to start from,
# TESTS=tests/test_data.py some of the tests (or options of pytest),
# ARGS=--no-browser is for the lab, FORMAT=nbgrader for the class.
BOX ?= cpu
RUN = @build/setup.sh $(BOX)

html: ## build the book into _build/html
	$(RUN) build/make_html.py

doctor: ## say what this machine can run, before anything is installed
	@build/setup.sh doctor

gpu-check: ## check the GPU environment, with a GPU or without (fetches 2 GB)
	@build/setup.sh gpu-check

test: ## run the tests
	$(RUN) -m pytest $(TESTS)

test-mxnet2: ## run the tests of the code on MXNet 2
	@build/setup.sh mxnet2 -m pytest $(TESTS)

lab: ## open chapters and exercises in JupyterLab
	$(RUN) build/lab.py $(ARGS)

predict: ## segment a photo: IMAGE=photo.jpg, perhaps CHECKPOINT=net.zip
	$(RUN) tools/predict.py "$$IMAGE" "$$CHECKPOINT"

reproduce: ## print the FCN paper's figures beside those measured here
	$(RUN) tools/reproduce.py

bench: ## measure the book against its peers (a quarter of an hour)
	@build/setup.sh bench
	$(RUN) benchmarks/bench.py

class: ## pack the students' notebooks into _build/class.zip
	$(RUN) build/class_kit.py $(FORMAT)

lint: ## check the style of all code, that of the chapters too
	$(RUN) build/lint.py

pins: ## work out the exact packages anew (needs uv)
	$(RUN) build/pins.py

clean: ## remove what was built; keep environments, data and notebooks/
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

.PHONY: html doctor gpu-check test test-mxnet2 lab predict reproduce bench \
	class lint pins clean
