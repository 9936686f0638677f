# JupyterLab with the book, in a container: README.md says how to start it.
FROM ubuntu:24.04
RUN apt-get update && apt-get install --yes make python3-venv
USER ubuntu
WORKDIR /home/ubuntu
COPY --chown=ubuntu . .
RUN build/setup.sh cpu
EXPOSE 8888
CMD ["make", "lab", "ARGS=--ip=0.0.0.0 --no-browser"]
