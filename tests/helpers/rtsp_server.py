"""GStreamer's RTSP server of one clip, which begins anew for whoever connects first: a program for Debian's Python.

/usr/bin/python3 tests/rtsp_server.py PORT CLIP.mp4 [LATENCY_MS]
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - after the versions


def main(port: str, clip: str) -> None:
    """Serve until killed."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=port, address="127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory()
    path = Path(clip).resolve()
    factory.set_launch(f'( filesrc location="{path}" ! qtdemux ! rtph264pay name=pay0 config-interval=-1 )')
    factory.set_shared(True)
    server.get_mount_points().add_factory("/door", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main(*sys.argv[1:])
