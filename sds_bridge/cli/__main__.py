from sds_bridge.cli import main

main()
