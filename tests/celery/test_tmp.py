import signal, subprocess, time
from pods import names, until
from workers import in_flight, running

def test_tmp(site, quick_settings, tmp_path, quick, api, namespace):
    quick.close()
    with running(tmp_path, site, quick_settings, pool="prefork") as worker:
        submissions = in_flight(worker, quick, 2)
        worker.process.send_signal(signal.SIGQUIT)
        until(lambda: names(api, namespace) == [])
        t = time.time()
        for i in range(30):
            if worker.process.poll() is not None:
                break
            time.sleep(0.5)
        print("ended", worker.process.poll(), time.time() - t)
        print(subprocess.run(f"ps -o pid,ppid,stat,wchan:30,cmd --forest -g {worker.process.pid}", shell=True, capture_output=True, text=True).stdout)
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGUSR1)
            time.sleep(2)
        print(worker.log[-9000:])
        worker.kill()
    assert 0
