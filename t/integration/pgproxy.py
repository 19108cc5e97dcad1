"""What stands between a server and PostgreSQL and loses a COMMIT's answer.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import threading

BEFORE, AFTER = "before", "after"


class Proxy:
    """Passes everything on, until it is told to cut at the next COMMIT:
    BEFORE the database has got it, or AFTER it has answered."""

    def __init__(self, port):
        self.target = port
        self.cut = None
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,),
                             daemon=True).start()

    def _serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        back = threading.Thread(target=self._back, args=(server, client),
                                daemon=True)
        back.start()
        try:
            while data := client.recv(65536):
                if self.cut and data.startswith(b"Q") and b"COMMIT" in data:
                    self._lose(client, server, data, back)
                    break
                server.sendall(data)
        except OSError:
            pass
        _end(server)
        _end(client)

    def _lose(self, client, server, data, back):
        how, self.cut = self.cut, None
        _end(client)  # from here on nothing gets back
        if how == AFTER:
            server.sendall(data)
            # an orderly end comes after what was sent before it
            server.sendall(b"X\0\0\0\4")
            back.join()
        self.cuts += 1

    @staticmethod
    def _back(server, client):
        """Until the database has nothing more to say, heard or not."""
        heard = True
        while data := server.recv(65536):
            try:
                if heard:
                    client.sendall(data)
            except OSError:
                heard = False


def _end(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
