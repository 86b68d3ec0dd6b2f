# make            builds into build/            make test    everything, on a fresh machine too
# make demo       records examples/shop         make bench   us and the peers, one table
# make lint | format | fuzz | docs | install | clean
BUILD ?= build
all: ; @script/setup --quiet && cmake -S . -B $(BUILD) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; rm -f $(BUILD).log; cmake --build $(BUILD) --parallel 2
test: all ; @script/test $(BUILD)
demo: all ; @script/demo $(BUILD)
bench: all ; @script/bench $(BUILD)
lint format fuzz docs: all ; @script/$@ $(BUILD)
install: all ; cmake --install $(BUILD)
clean: ; rm -rf $(BUILD) _build
.PHONY: all test demo bench lint format fuzz docs install clean
