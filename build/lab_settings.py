# JupyterLab's settings for `make lab`: this machine only, nothing fetched.
import os

c = get_config()  # noqa: F821  Jupyter provides it

c.ServerApp.ip = 'localhost'
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = 'jupyterlab.NeverCheckForUpdate'
c.LabApp.extension_manager = 'readonly'

# Memory of a chapter that is done, the GPU's too, goes back to the machine: a
# kernel ends with its notebook's tab (build/lab/labconfig), and a day after
# its last work if no browser shows it any more.
c.MappingKernelManager.cull_idle_timeout = 24 * 60 * 60  # seconds

# build/lab/labconfig also says what the page goes without: nbgrader's menus,
# which are for those who mark, and an offer of news.
os.environ['JUPYTER_CONFIG_PATH'] = os.pathsep.join(
    filter(
        None,
        [
            os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lab'),
            os.environ.get('JUPYTER_CONFIG_PATH'),
        ],
    )
)
nbgrader = 'assignment_list course_list formgrader validate_assignment'
c.ServerApp.jpserver_extensions = {
    f'nbgrader.server_extensions.{part}': False for part in nbgrader.split()
}
