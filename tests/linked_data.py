"""Small datasets as the configs expect them, without a copy of their images."""

from ssl_bev.preparation.create_infos import create_data


def link(root, folder, *leave_out):
    """A new folder with links to all parts of a dataset, but those to leave out."""
    folder.mkdir()
    for part in root.iterdir():
        if part.name not in leave_out:
            (folder / part.name).symlink_to(part)
    return folder


def linked_data(root, folder, **options):
    """Images, info files and BEV labels in one folder; exact class maps, if any, pass for a teacher's labels.

    The options are those of `create_data`.
    """
    link(root, folder)
    if (root / 'oracle').is_dir():
        (folder / 'pseudo_labels').symlink_to(root / 'oracle')
    create_data(root, 'v1.0-mini', folder, show_progress=False, **options)
    return folder
