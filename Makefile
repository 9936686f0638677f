# The commands of the book; README.md explains them.
# BOX=gpu uses the GPU environment, PYTHON=... a certain Python to start from,
# TESTS=tests/test_data.py some of the tests (or options of pytest),
# CHAPTERS='data fcn' executes these alone, with their exercises,
# ARGS=--no-browser is for the lab, FORMAT=nbgrader for the class.
#
# A variable's value is data: a photo may be called $(shell …).jpg. Make would
# expand what its command line sets; here every letter stays what it is.
# Recipes read variables as the shell's, "$$IMAGE", never as make's, $(IMAGE).
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),\
	$(eval override export $(name) := $$(value $(name)))))
MAKEOVERRIDES =# nor does a make that a recipe calls read them again
BOX ?= cpu
export BOX
override RUN = @exec build/setup.sh "$$BOX"

html: ## build the book into _build/html
	$(RUN) build/words.py CHAPTERS build/make_html.py

doctor: ## say what this machine can run, before anything is installed
	@exec build/setup.sh doctor

gpu-check: ## check the GPU environment, with a GPU or without (fetches 2 GB)
	@exec build/setup.sh gpu-check

test: ## run the tests
	$(RUN) build/words.py TESTS -m pytest

test-mxnet2: ## run the tests of the code on MXNet 2
	@exec build/setup.sh mxnet2 build/words.py TESTS -m pytest

test-other: ## run the tests of the code in a second Python, the newest found
	@exec build/setup.sh other build/words.py TESTS -m pytest

lab: ## open chapters and exercises in JupyterLab
	$(RUN) build/words.py ARGS build/lab.py

predict: ## segment photos: IMAGE=photo.jpg, or a folder, or '*.jpg'
	$(RUN) tools/predict.py --scales "$$SCALES" --mirror "$$MIRROR" \
		--sure "$$SURE" --crf "$$CRF" -- "$$IMAGE" "$$CHECKPOINT"

photos: ## train the shipped network anew: DATA='folder folder' STEPS=6000
	$(RUN) build/words.py DATA tools/train_photos.py --steps "$$STEPS" \
		--start "$$START" --rate "$$RATE"

own: ## make a data set of PHOTOS=folder (tools/own.py says what else)
	$(RUN) tools/own.py

train: ## train a network on such a set: DATA=folder (tools/fine_tune.py)
	$(RUN) tools/fine_tune.py

export: ## write a trained net as an ONNX file: perhaps CHECKPOINT=, HALF=1
	$(RUN) tools/export.py -- "$$CHECKPOINT" "$$HALF"

reproduce: ## print the FCN paper's figures beside those measured here
	$(RUN) tools/reproduce.py

bench: ## measure the book against its peers (ten minutes)
	@build/setup.sh bench
	$(RUN) benchmarks/bench.py

class: ## pack the students' notebooks into _build/class.zip, or fill course/
	$(RUN) build/class_kit.py "$$FORMAT"

lint: ## check the style of all code, that of the chapters too
	$(RUN) build/lint.py

pins: ## work out the exact packages anew (needs uv)
	$(RUN) build/pins.py

audit: ## ask for known vulnerabilities of all pinned packages
	@exec build/setup.sh audit build/audit.py

clean: ## remove what was built; keep environments, data, notebooks/, course/
	@test -f build/setup.sh # make -f elsewhere/Makefile clean: not from here
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

.PHONY: html doctor gpu-check test test-mxnet2 test-other lab predict own \
	train export reproduce bench class lint pins audit photos clean
