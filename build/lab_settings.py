# JupyterLab's settings for `make lab`: this machine only, nothing fetched.
c = get_config()  # noqa: F821  Jupyter provides it

c.ServerApp.ip = 'localhost'
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = 'jupyterlab.NeverCheckForUpdate'
c.LabApp.extension_manager = 'readonly'
