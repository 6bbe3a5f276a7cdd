"""The parts that every scenario uses: servers, child processes, contenders, figures."""
